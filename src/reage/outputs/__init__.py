"""Things made of results: strips, videos, reports."""
