namespace FailbackWorkflows.Benchmarks;

/// <summary>What is said about many measurements of one thing.</summary>
internal static class Figures
{
    /// <summary>The value below which this share of them is.</summary>
    public static double At(this List<double> measured, double share)
    {
        measured.Sort();
        return measured[(int)Math.Min(measured.Count - 1, measured.Count * share)];
    }

    public static double Median(this List<double> measured) => measured.At(0.5);

    public static string Verdict(bool isMet) => isMet ? "met" : "missed";
}
