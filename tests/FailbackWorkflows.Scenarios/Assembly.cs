using Xunit;

// Every scenario starts several programs; more than two at a time only slow each other down on a small machine.
[assembly: CollectionBehavior(MaxParallelThreads = 2)]
