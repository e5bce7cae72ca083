"""What the web answers: pages for people, JSON for programs, and a sandbox that plays the payment provider."""
