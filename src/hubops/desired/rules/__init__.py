"""The rules of `hubops check`, each with a name; registry.py has all of them."""
