-- Asks the node's agent whether a request may pass, and does what it says.
-- Whatever goes wrong here, the request does not pass.
local TIMEOUT_MS = 12000
local COOKIES_MAX = 4
local PAGE = "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n"

-- HAProxy's lists of header values begin with 0.
local function values(headers, name)
    local found, list = {}, headers[name] or {}
    local number = 0
    while list[number] do
        table.insert(found, list[number])
        number = number + 1
    end
    return found
end

local function joined(headers, name)
    return table.concat(values(headers, name), "; ")
end

local function refuse(txn, title)
    local reply, status = txn:reply(), tonumber(title:sub(1, 3))
    if status == 561 then
        reply:set_status(status, title:sub(5)) -- nobody else has words for it
    else
        reply:set_status(status)
    end
    reply:add_header("x-own-answer", "guard") -- for the lines about answers, which remove it
    reply:add_header("content-type", "text/html")
    if status == 500 then
        reply:add_header("connection", "close")
    end
    reply:set_body(string.format(PAGE, title, title))
    return reply
end

core.register_action("guard", {"http-req"}, function(txn, rule)
    local headers = txn.http:req_get_headers()
    local answer = core.httpclient():get({
        url = "http://agent/",
        dst = os.getenv("AGENT"),
        timeout = TIMEOUT_MS,
        headers = {
            ["x-rule"] = {rule},
            ["x-host"] = {joined(headers, "host")},
            ["x-uri"] = {txn.f:url()},
            ["x-cookie"] = {joined(headers, "cookie")},
            ["x-authorization"] = {joined(headers, "authorization")},
            ["x-origin"] = {joined(headers, "origin")},
        },
    }) or {}
    local said = answer.headers or {}
    if answer.status == 200 then
        for _, line in ipairs(values(said, "x-set")) do
            local name, value = line:match("^([^:]+): (.*)$")
            txn.http:req_set_header(name, value)
        end
        for number, cookie in ipairs(values(said, "x-cookie")) do
            if number <= COOKIES_MAX then
                txn:set_var("txn.session_cookie" .. (number - 1), cookie)
            end
        end
        return
    end
    local reason = values(said, "x-reason")[1]
    if reason then
        txn:set_var("txn.error_reason", reason) -- for the access log
    end
    local reply = refuse(txn, values(said, "x-title")[1] or "500 Internal Server Error")
    for _, place in ipairs(values(said, "x-location")) do
        reply:add_header("location", place)
    end
    for _, cookie in ipairs(values(said, "x-cookie")) do
        reply:add_header("set-cookie", cookie)
    end
    txn:done(reply)
end, 1)
