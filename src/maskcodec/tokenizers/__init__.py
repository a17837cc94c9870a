"""Any tokenizer behind one interface: extension, ids of words, bytes of tokens, guides."""
