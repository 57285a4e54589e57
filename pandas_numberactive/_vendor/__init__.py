"""Talk to DigiScore: the protocol, the meaning of its replies, the client."""
