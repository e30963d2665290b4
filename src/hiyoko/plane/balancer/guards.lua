-- Asks the node's agent whether a request may pass, and does what it says.
local TIMEOUT_MS = 12000
local PAGE = "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n"

local function joined(headers, name)
    local found = {}
    for _, value in pairs(headers[name] or {}) do
        table.insert(found, value)
    end
    return table.concat(found, "; ")
end

local function refuse(txn, title)
    local reply = txn:reply({status = tonumber(title:sub(1, 3)), reason = title:sub(5)})
    reply:add_header("server", "awselb/2.0")
    reply:add_header("date", core.http_date and core.http_date() or txn.c:http_date(txn.f:date()))
    reply:add_header("content-type", "text/html")
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
        },
    })
    local said = answer.headers or {}
    if answer.status == 200 then
        for _, line in pairs(said["x-set"] or {}) do
            local name, value = line:match("^([^:]+): (.*)$")
            txn.http:req_set_header(name, value)
        end
        for number, cookie in pairs(said["x-cookie"] or {}) do
            txn:set_var("txn.session_cookie" .. number, cookie)
        end
        return
    end
    local title = said["x-title"] and said["x-title"][0] or "500 Internal Server Error"
    local reply = refuse(txn, title)
    for _, place in pairs(said["x-location"] or {}) do
        reply:add_header("location", place)
    end
    for _, cookie in pairs(said["x-cookie"] or {}) do
        reply:add_header("set-cookie", cookie)
    end
    txn:done(reply)
end, 1)
