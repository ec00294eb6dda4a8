"""The poster for the search for a missing person: its fields, dates, pictures and pages."""
