"""What the objects of a simulated meter do, one behaviour for each interface class that lives."""
