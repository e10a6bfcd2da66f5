-- wrk: POST a transfer between two random wallets, each in its user's name (user and wallet ids are
-- the same here); counts the answers that are not 202.
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    wallets = tonumber(args[1])
    refused = 0
    math.randomseed(os.time())
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    local source = math.random(wallets)
    local destination = 1 + (source - 1 + math.random(wallets - 1)) % wallets
    return wrk.format(nil, "/api/v1/transaction", nil, string.format(
        '{"user_id":%d,"source_wallet_id":%d,"dest_wallet_id":%d,"trans_sum":0.01}',
        source, source, destination))
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
end
