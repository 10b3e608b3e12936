namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>A worker's rectangle of a product: rows by panels. K is never split, as that would change sums.</summary>
readonly record struct Partition(int FirstRow, int EndRow, int FirstPanel, int EndPanel)
{
    /// <summary>Rows that share weights in registers; shares are multiples of it. (2 blocks of 6 or 1 of 12.)</summary>
    const int RowUnit = 12;

    public int NumPanels => EndPanel - FirstPanel;

    /// <summary>Splits by panels into p shares times rows into r shares, p * r = numWorkers, so that the largest share
    /// is least; of equals the one with the fewest row shares, as each of those reads the weights again.</summary>
    public static Partition Of(int numRows, int numPanels, int worker, int numWorkers)
    {
        int numUnits = (numRows + RowUnit - 1) / RowUnit;
        int bestRowShares = 1;
        long best = long.MaxValue;
        for (int rowShares = 1; rowShares <= numWorkers; rowShares++)
        {
            if (numWorkers % rowShares != 0) continue;
            int panelShares = numWorkers / rowShares;
            long cost = (long)((numUnits + rowShares - 1) / rowShares) * ((numPanels + panelShares - 1) / panelShares);
            if (cost >= best) continue;
            best = cost;
            bestRowShares = rowShares;
        }

        int numPanelShares = numWorkers / bestRowShares;
        (int rowShare, int panelShare) = Math.DivRem(worker, numPanelShares);
        (int firstUnit, int endUnit) = Share(numUnits, rowShare, bestRowShares);
        (int firstPanel, int endPanel) = Share(numPanels, panelShare, numPanelShares);
        return new(firstUnit * RowUnit, Math.Min(endUnit * RowUnit, numRows), firstPanel, endPanel);
    }

    static (int First, int End) Share(int num, int share, int numShares) =>
        Threading.WorkerTeam.Share(num, share, numShares);
}
