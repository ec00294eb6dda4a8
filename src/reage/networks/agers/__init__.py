"""Networks that age: codes, photos, shapes."""
