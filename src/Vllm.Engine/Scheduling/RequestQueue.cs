using System.Collections;
using Vllm.Engine.Requests;

namespace Vllm.Engine.Scheduling;

/// <summary>Waiting requests in order of admission. A sorted set serves both policies and takes an aborted request out
/// of the middle in O(log n).</summary>
sealed class RequestQueue(SchedulingPolicy policy) : IReadOnlyCollection<Request>
{
    readonly SortedSet<Request> _requests =
        new(Comparer<Request>.Create(policy == SchedulingPolicy.Priority ? ByPriority : ByPosition));

    long _firstPosition;
    long _endPosition;

    public int Count => _requests.Count;

    /// <summary>The next to be admitted; null when nothing waits.</summary>
    public Request? First => _requests.Min;

    public void AddLast(Request request)
    {
        request.QueuePosition = _endPosition++;
        _requests.Add(request);
    }

    /// <summary>Puts a preempted request before all others (with priorities: where its own puts it).</summary>
    public void AddFirst(Request request)
    {
        request.QueuePosition = --_firstPosition;
        _requests.Add(request);
    }

    public void Remove(Request request) => _requests.Remove(request);

    public IEnumerator<Request> GetEnumerator() => _requests.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    static int ByPosition(Request left, Request right) => left.QueuePosition.CompareTo(right.QueuePosition);

    static int ByPriority(Request left, Request right)
    {
        int order = left.Priority.CompareTo(right.Priority);
        if (order == 0) order = left.ArrivalTime.CompareTo(right.ArrivalTime);
        return order == 0 ? string.CompareOrdinal(left.Id, right.Id) : order;
    }
}
