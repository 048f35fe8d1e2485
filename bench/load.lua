-- The load of one round for wrk, and its figures as one line of JSON.
-- Arguments: method, file with the body or "none", then names and values of header fields.
function init(args)
  wrk.method = args[1]
  if args[2] ~= "none" then
    local file = io.open(args[2], "rb")
    wrk.body = file:read("*a")
    file:close()
    wrk.headers["content-type"] = "application/json"
  end
  for i = 3, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"elapsed":%d,"errors":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end
