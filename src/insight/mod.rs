//! What figures mean: intervals, predictions, comparisons. Pure arithmetic over what others have measured.
