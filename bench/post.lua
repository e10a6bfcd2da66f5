-- wrk: POST a transfer between two random wallets, each in its user's name (user and wallet ids are
-- the same here). The arguments are the number of wallets, the status that an answer should have,
-- and how many requests a second to send (without it: as many as are answered). Counts the other
-- answers, and prints the latency in milliseconds.
local ffi = require("ffi")
local threads = {}

ffi.cdef [[
typedef struct { long seconds; long nanoseconds; } bench_time;
int clock_gettime(int clock, bench_time *time);
]]

function setup(thread)
    table.insert(threads, thread)
end

local function now_ms()
    local time = ffi.new("bench_time")
    ffi.C.clock_gettime(1, time)
    return tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
end

-- Requests have their moments, one after the other, whichever connection is free: a slow answer
-- does not thin them out.
local function paced()
    local now = now_ms()
    next_ms = math.max(next_ms + interval_ms, now - 1000)
    return math.max(next_ms - now, 0)
end

function init(args)
    wallets, expected = tonumber(args[1]), tonumber(args[2])
    refused = 0
    math.randomseed(os.time())
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    if args[3] then
        interval_ms = 1000 / tonumber(args[3])
        next_ms = now_ms()
        delay = paced
    end
end

function request()
    local source = math.random(wallets)
    local destination = 1 + (source - 1 + math.random(wallets - 1)) % wallets
    return wrk.format(nil, "/api/v1/transaction", nil, string.format(
        '{"user_id":%d,"source_wallet_id":%d,"dest_wallet_id":%d,"trans_sum":0.01}',
        source, source, destination))
end

function response(status)
    if status ~= expected then
        refused = refused + 1
    end
end

function done(summary, latency)
    local total = summary.errors.connect + summary.errors.read + summary.errors.timeout
    for _, thread in ipairs(threads) do
        total = total + thread:get("refused")
    end
    print("refused " .. total)
    print("requests " .. summary.requests)
    print(string.format("rate %.0f", summary.requests / summary.duration * 1e6))
    print(string.format("latency_ms %.2f %.2f",
        latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
