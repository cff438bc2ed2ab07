"""What any product needs: settings, database, errors, storage, tasks. Knows no word of machine learning."""
