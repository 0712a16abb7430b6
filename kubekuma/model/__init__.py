"""What everything is made of: frozen classes without behaviour, and the schemas drawn from them."""
