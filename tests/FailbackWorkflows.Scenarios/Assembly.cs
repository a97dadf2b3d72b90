using Xunit;

// Every scenario starts several programs, and waits for them a third of its time; more than three at a time only slow each other down on a small machine.
[assembly: CollectionBehavior(MaxParallelThreads = 3)]
[assembly: TestCollectionOrderer("FailbackWorkflows.Scenarios.LongestFirst", "FailbackWorkflows.Scenarios")]
