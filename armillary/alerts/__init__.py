"""When people are told: once when good turns bad, once when it is good again."""
