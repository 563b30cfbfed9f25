/** JSON as senders in other languages may write it. It does not survive parsing and serializing in JavaScript. */
export const unusualJson: string =
  '{ "event_id" : "5f0c", "event_type":"job.completed", "data": {"status":"succeeded", "n": 1.0, "e": 1e3,\n' +
  '  "big": 12345678901234567890, "slash": "a\\/b", "escaped": "\\u00e9", "raw": "é🔑", "2": 0, "1": 0, "twice": 1, "twice": 2 } }\n'
