"""What can be asked of the cameras, whoever asks: commands, their answers, events. Knows no sockets."""
