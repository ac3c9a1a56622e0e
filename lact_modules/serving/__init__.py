"""A page in the browser that shows speech as text while it is being said."""
