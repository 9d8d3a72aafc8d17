"""A camera as a USB device, and the USB/IP server that offers it."""
