-- wrk: POST arrays of transfers between random wallets to the bulk route; the arguments are the
-- number of wallets and of transfers in an array. Prints how many arrays were refused, and sent.
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

local function array(wallets, size)
    local items = {}
    for i = 1, size do
        local source = math.random(wallets)
        local destination = 1 + (source - 1 + math.random(wallets - 1)) % wallets
        items[i] = string.format(
            '{"user_id":%d,"source_wallet_id":%d,"dest_wallet_id":%d,"trans_sum":0.01}',
            source, source, destination)
    end
    return "[" .. table.concat(items, ",") .. "]"
end

function init(args)
    local size = tonumber(args[2])
    math.randomseed(os.time())
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    requests, refused, turn = {}, 0, 0
    for i = 1, 8 do
        local body = array(tonumber(args[1]), size)
        requests[i] = wrk.format(nil, "/api/v1/transaction/bulk", nil, body)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function response(status)
    if status ~= 202 then
        refused = refused + 1
    end
end

function done(summary)
    local total = summary.errors.connect + summary.errors.read + summary.errors.timeout
    for _, thread in ipairs(threads) do
        total = total + thread:get("refused")
    end
    print("refused " .. total)
    print("requests " .. summary.requests)
end
