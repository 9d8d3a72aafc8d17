"""Jobs: series of shots that the server takes by itself. No module here knows of a transport."""
