"""A Debian guest with a real kernel, USB bus, udev and systemd, in which the installed service is tested: `make machine`."""
