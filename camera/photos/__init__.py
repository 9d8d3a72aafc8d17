"""What becomes of pictures: captured, found, fetched, saved."""
