"""What the web answers: pages for people, JSON for programs, a sandbox that plays the payment provider."""
