"""What phone, terminal and server share: the code format, the reasons of refusal, signing."""
