"""What the demo history is made from, as plain data; nothing is computed here."""
