"""A run from a lab to its reports, job by job."""
