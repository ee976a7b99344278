#error this is a student's, and not to be included
