"""Files of others: only regular ones, and images in named formats."""
