"""Cameras on the real `usb:` port of libgphoto2, without a USB bus."""
