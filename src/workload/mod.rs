//! What is asked and when: lengths, prompts as token ids, arrivals.
