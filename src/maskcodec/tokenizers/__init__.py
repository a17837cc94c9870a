"""Any tokenizer behind one face: its extension, words and their ids, what tokens spell."""
