-- wrk: POST arrays of transfers between random wallets to the bulk route; the arguments are the
-- number of wallets and of transfers in an array. Prints how many transfers were taken.
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
    requests, taken, turn = {}, 0, 0
    for i = 1, 8 do
        requests[i] = wrk.format(nil, "/api/v1/transaction/bulk", nil, array(tonumber(args[1]), size))
    end
    transfers = size
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function response(status)
    if status == 202 then
        taken = taken + transfers
    end
end

function done()
    local total = 0
    for _, thread in ipairs(threads) do
        total = total + thread:get("taken")
    end
    print("taken " .. total)
end
