-- Answers questions of several kinds one after the other, each as the script of its kind would. Before this stand the
-- kinds: functions that make such a script of keys and arguments.
--
-- KEYS    of each question, one after the other
-- ARGV    of each question: the number of its kind, how many keys and how many arguments it has, its arguments
-- Answer  what the script of each answers; and of those that failed, the number of the question and the error
local answers, faults, made, next_key, next_arg = {}, {}, {}, 1, 1
while ARGV[next_arg] do
  local kind, keys, args = tonumber(ARGV[next_arg]), ARGV[next_arg + 1], ARGV[next_arg + 2]
  local last_key, last_arg = next_key + keys - 1, next_arg + 2 + args
  made[kind] = made[kind] or kinds[kind]()
  local own_keys, own_args = { unpack(KEYS, next_key, last_key) }, { unpack(ARGV, next_arg + 3, last_arg) }
  local done, answer = pcall(made[kind], own_keys, own_args)
  answers[#answers + 1] = done and answer or false
  if not done then
    faults[#faults + 1] = #answers
    faults[#faults + 1] = type(answer) == 'table' and answer.err or answer
  end
  next_key, next_arg = last_key + 1, last_arg + 1
end
return { answers, faults }
