"""Whatever the answers, and however the template is named: a sound project, or a refusal that helps."""
