"""Traces that copies of the two services once sent, for the exercise that looks for the slow span.

Times are in nanoseconds since the request came.
"""

from workshop.waterfall import Span

RECOMMEND = "Recommendations/Recommend"

# A page with all three shelves: it asks for one after the other. One shelf is slow.
SLOW_SHELF = [
    Span("marketplace", "GET /", "4c61f105f8ad264d", "1a33d04b4a0a39db", 0, 83633183),
    Span("marketplace", RECOMMEND, "c437e1e7f369cd7e", "4c61f105f8ad264d", 99308, 1181952),
    Span("recommendations", RECOMMEND, "1730b69195480d93", "c437e1e7f369cd7e", 817519, 925860),
    Span("marketplace", RECOMMEND, "09077d6fb79e5c20", "4c61f105f8ad264d", 1269392, 2035034),
    Span("recommendations", RECOMMEND, "05b590d0c3fc73d9", "09077d6fb79e5c20", 1757449, 1839772),
    Span("marketplace", RECOMMEND, "0c2ce525bf7e9ecf", "4c61f105f8ad264d", 2098739, 83183423),
    Span("recommendations", RECOMMEND, "d05d25f61cd78c68", "0c2ce525bf7e9ecf", 2470462, 82878999),
]

# The same page; all shelves are quick, and the Marketplace itself takes its time at the end.
SLOW_PAGE = [
    Span("marketplace", "GET /", "41712f7e0ca11dfc", "a692baedec1b52ea", 0, 63923842),
    Span("marketplace", RECOMMEND, "50ffb5dab863e683", "41712f7e0ca11dfc", 123494, 1798911),
    Span("recommendations", RECOMMEND, "e0e3992718ee15cd", "50ffb5dab863e683", 1379827, 1535879),
    Span("marketplace", RECOMMEND, "8d77e1d6f3b826f7", "41712f7e0ca11dfc", 1886111, 2622639),
    Span("recommendations", RECOMMEND, "cd530ac62581317d", "8d77e1d6f3b826f7", 2374559, 2456902),
    Span("marketplace", RECOMMEND, "17c71b8a25f51339", "41712f7e0ca11dfc", 2685853, 3218648),
    Span("recommendations", RECOMMEND, "7f26ce5253c8f99d", "17c71b8a25f51339", 3021434, 3079580),
]

# The usual page, on the first visit after a start: the call has to make its connection first.
SLOW_WAY = [
    Span("marketplace", "GET /", "60b05cdc2d6e67a8", "6a616f7988c3d974", 0, 12371913),
    Span("marketplace", RECOMMEND, "d18e0aba6b6c5477", "60b05cdc2d6e67a8", 188481, 8544287),
    Span("recommendations", RECOMMEND, "3c3afc0f7b2eb11f", "d18e0aba6b6c5477", 7825005, 8143529),
]
