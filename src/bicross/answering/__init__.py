"""`faq`, `classify` and `similarity`: what is known of texts with an answer or a label, asked of another text."""
