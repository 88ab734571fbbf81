-- What wrk sends, told by the first argument after `--`, and one line of result for ./run.
--
--   wrk ... URL -- get | pipelined | echo
--
-- Every request is prepared once, in init: wrk then calls no Lua while it measures.

local PIPELINE_DEPTH = 16
local ECHO_SIZE = 4096

function init(arguments)
  local kind = arguments[1]
  if kind == "pipelined" then
    local request = wrk.format()
    wrk.format = function() return string.rep(request, PIPELINE_DEPTH) end
  elseif kind == "echo" then
    wrk.method = "POST"
    wrk.body = string.rep("x", ECHO_SIZE)
  elseif kind ~= "get" then
    error("unknown kind of request: " .. tostring(kind))
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "result requests=%d microseconds=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
    summary.requests, summary.duration,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
