"""Commands that make pages, animations and mixes, and the web page."""
