namespace FailbackWorkflows.Persistence;

/// <summary>Another management server works on the same database.</summary>
public sealed class DatabaseInUseException(string message) : Exception(message);

/// <summary>The database cannot be opened for another reason than being in use; the message names it and says what to do.</summary>
public sealed class DatabaseNotOpenedException(string message, Exception? innerException) : Exception(message, innerException);
