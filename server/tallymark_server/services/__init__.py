"""The gRPC services: messages in, commands to the lane, messages out. No rules live here."""
