"""A page in the browser that shows the text of speech as it streams."""
