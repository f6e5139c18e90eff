// SPDX-License-Identifier: Apache-2.0
#include "collector/store/schema.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "correlate/counts.h"

namespace ringside {
namespace {

// Every *_ns without `real` in its name is the node's CLOCK_MONOTONIC; `real` is ns since 1970.
constexpr std::string_view kTables = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE count_names(id INTEGER PRIMARY KEY, name TEXT NOT NULL, stage TEXT, outcome TEXT,
  text TEXT);
CREATE TABLE gauge_names(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE enum_names(what TEXT, id INTEGER, name TEXT, PRIMARY KEY(what, id)) WITHOUT ROWID;

CREATE TABLE nodes(id INTEGER PRIMARY KEY, machine_id TEXT, boot_id TEXT, name TEXT UNIQUE,
  UNIQUE(machine_id, boot_id));
CREATE TABLE streams(id INTEGER PRIMARY KEY, node INTEGER, instance TEXT, base_number INTEGER,
  last_number INTEGER, missing_numbers INTEGER, UNIQUE(node, instance));
CREATE TABLE records(stream INTEGER, number INTEGER, kind INTEGER, ref INTEGER, size INTEGER,
  hash INTEGER, PRIMARY KEY(stream, number)) WITHOUT ROWID;

CREATE TABLE hellos(id INTEGER PRIMARY KEY, stream INTEGER, name TEXT, version TEXT,
  protocol INTEGER, roles INTEGER, kernel TEXT, arch TEXT, smbios_uuid TEXT, mono_ns INTEGER,
  raw_ns INTEGER, real_ns INTEGER, counter INTEGER, width_ns INTEGER);
CREATE TABLE hooks(stream INTEGER, hook INTEGER, hello INTEGER, stage TEXT, program TEXT,
  target TEXT, rung INTEGER, state INTEGER, reason TEXT,
  PRIMARY KEY(stream, hook, hello)) WITHOUT ROWID;
CREATE TABLE queues(id INTEGER PRIMARY KEY, stream INTEGER, queue INTEGER, generation INTEGER,
  UNIQUE(stream, queue, generation));
CREATE TABLE queue_versions(id INTEGER PRIMARY KEY, queue INTEGER, mono_ns INTEGER, kind INTEGER,
  device TEXT, name TEXT, irq_name TEXT, irq INTEGER, ring_size INTEGER, packed INTEGER,
  ring_address INTEGER, msi_known INTEGER, msi_address INTEGER, msi_data INTEGER, epoch INTEGER,
  vm_id TEXT, vm_name TEXT, vm_uuid TEXT, owner_pid INTEGER);
CREATE INDEX queue_versions_by_queue ON queue_versions(queue);

CREATE TABLE snapshots(id INTEGER PRIMARY KEY, stream INTEGER, sequence INTEGER, full INTEGER,
  folded INTEGER, continues INTEGER, begin_mono_ns INTEGER, begin_raw_ns INTEGER,
  begin_real_ns INTEGER, begin_counter INTEGER, begin_width_ns INTEGER, end_mono_ns INTEGER,
  end_raw_ns INTEGER, end_real_ns INTEGER, end_counter INTEGER, end_width_ns INTEGER);
CREATE INDEX snapshots_by_stream ON snapshots(stream);
CREATE TABLE series(id INTEGER PRIMARY KEY, queue INTEGER, count INTEGER, hook INTEGER,
  UNIQUE(queue, count, hook));
CREATE TABLE samples(snapshot INTEGER, series INTEGER, lo INTEGER, width INTEGER,
  PRIMARY KEY(snapshot, series)) WITHOUT ROWID;
CREATE TABLE gauge_series(id INTEGER PRIMARY KEY, queue INTEGER, gauge INTEGER,
  UNIQUE(queue, gauge));
CREATE TABLE gauges(snapshot INTEGER, series INTEGER, value INTEGER,
  PRIMARY KEY(snapshot, series)) WITHOUT ROWID;
CREATE TABLE hook_samples(snapshot INTEGER, hook INTEGER, hits INTEGER, unplaced INTEGER,
  dropped INTEGER, misses INTEGER, PRIMARY KEY(snapshot, hook)) WITHOUT ROWID;

CREATE TABLE marks(id INTEGER PRIMARY KEY, queue INTEGER, domain INTEGER, cpu INTEGER,
  epoch INTEGER, mono_ns INTEGER, prev INTEGER, pos INTEGER);
CREATE TABLE mark_counts(mark INTEGER, series INTEGER, value INTEGER,
  PRIMARY KEY(mark, series)) WITHOUT ROWID;
CREATE TABLE event_chunks(id INTEGER PRIMARY KEY, stream INTEGER, first_number INTEGER,
  count INTEGER, from_mono_ns INTEGER, to_mono_ns INTEGER, data BLOB);
CREATE TABLE log_lines(id INTEGER PRIMARY KEY, stream INTEGER, mono_ns INTEGER, level INTEGER,
  text TEXT);
CREATE TABLE facts(id INTEGER PRIMARY KEY, stream INTEGER, mono_ns INTEGER, name TEXT, value TEXT);
CREATE TABLE clock_exchanges(id INTEGER PRIMARY KEY, stream INTEGER, number INTEGER,
  before_mono_ns INTEGER, before_raw_ns INTEGER, before_real_ns INTEGER, before_counter INTEGER,
  before_width_ns INTEGER, agent_mono_ns INTEGER, agent_raw_ns INTEGER, agent_real_ns INTEGER,
  agent_counter INTEGER, agent_width_ns INTEGER, after_mono_ns INTEGER, after_raw_ns INTEGER,
  after_real_ns INTEGER, after_counter INTEGER, after_width_ns INTEGER);
CREATE TABLE gaps(id INTEGER PRIMARY KEY, stream INTEGER, number INTEGER, maker INTEGER,
  from_mono_ns INTEGER, to_mono_ns INTEGER, from_real_ns INTEGER, to_real_ns INTEGER, what TEXT);
CREATE TABLE byes(id INTEGER PRIMARY KEY, stream INTEGER, mono_ns INTEGER, raw_ns INTEGER,
  real_ns INTEGER, counter INTEGER, width_ns INTEGER, reason TEXT);

CREATE TABLE claims(id INTEGER PRIMARY KEY, source TEXT, queue TEXT, count TEXT, claimed INTEGER,
  from_real_ns INTEGER, to_real_ns INTEGER, note TEXT);
CREATE TABLE bindings(id INTEGER PRIMARY KEY, guest_queue INTEGER, host_queue INTEGER,
  since_real_ns INTEGER, until_real_ns INTEGER, state TEXT, evidence TEXT);
)sql";

// Which chunks hold events of a queue, up to version 2.
constexpr std::string_view kChunkQueues1 = R"sql(
CREATE TABLE event_chunk_queues(queue INTEGER, kind INTEGER, chunk INTEGER, events INTEGER,
  pos_min INTEGER, pos_max INTEGER, PRIMARY KEY(queue, kind, chunk)) WITHOUT ROWID;
)sql";

// And since version 3. The index by time has all that choosing chunks takes: the table's own pages
// are filled with data.
constexpr std::string_view kChunkQueues3 = R"sql(
CREATE TABLE event_chunk_queues(queue INTEGER, kind INTEGER, chunk INTEGER, events INTEGER,
  from_mono_ns INTEGER, to_mono_ns INTEGER, pos_min INTEGER, pos_max INTEGER, number_min INTEGER,
  number_max INTEGER, PRIMARY KEY(queue, kind, chunk)) WITHOUT ROWID;
CREATE INDEX event_chunks_by_time ON event_chunks(stream, to_mono_ns, from_mono_ns, count);
)sql";

constexpr std::string_view kChunkRanges3 = R"sql(
CREATE TEMP VIEW chunk_ranges AS
  SELECT queue, kind, chunk, events, from_mono_ns, to_mono_ns, pos_min, pos_max, number_min,
    number_max
  FROM main.event_chunk_queues;
)sql";

constexpr std::string_view kChunkRanges1 = R"sql(
CREATE TEMP VIEW chunk_ranges AS
  SELECT q.queue AS queue, q.kind AS kind, q.chunk AS chunk, q.events AS events,
    c.from_mono_ns AS from_mono_ns, c.to_mono_ns AS to_mono_ns, q.pos_min AS pos_min,
    q.pos_max AS pos_max, 0 AS number_min, 9223372036854775807 AS number_max
  FROM main.event_chunk_queues q JOIN main.event_chunks c ON c.id = q.chunk;
)sql";

// What only version 1 had; nothing ever wrote it.
constexpr std::string_view kTables1Only = R"sql(
CREATE TABLE finding_rows(id INTEGER PRIMARY KEY, cause TEXT, queue TEXT, root INTEGER,
  caused_by TEXT, certainty TEXT, since_real_ns INTEGER, until_real_ns INTEGER, detail TEXT);
)sql";

// What version 2 added.
constexpr std::string_view kTables2 = R"sql(
CREATE TABLE labels(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE part_values(snapshot INTEGER, queue INTEGER, count INTEGER, label INTEGER,
  value INTEGER, PRIMARY KEY(snapshot, queue, count, label)) WITHOUT ROWID;

CREATE TABLE evaluators(id INTEGER PRIMARY KEY, recorder TEXT, begun_real_ns INTEGER, file TEXT,
  UNIQUE(recorder, begun_real_ns));
CREATE TABLE verdict_changes(evaluator INTEGER, number INTEGER, at_real_ns INTEGER, queue TEXT,
  host_queue TEXT, identity TEXT, before TEXT, verdict TEXT, why TEXT, from_real_ns INTEGER,
  to_real_ns INTEGER, PRIMARY KEY(evaluator, number)) WITHOUT ROWID;
CREATE TABLE finding_changes(evaluator INTEGER, number INTEGER, at_real_ns INTEGER, step TEXT,
  episode INTEGER, cause TEXT, queue TEXT, host_queue TEXT, root INTEGER, caused_by TEXT,
  certainty TEXT, since_real_ns INTEGER, title TEXT, detail TEXT,
  PRIMARY KEY(evaluator, number)) WITHOUT ROWID;
)sql";

constexpr std::string_view kViews = R"sql(
CREATE VIEW queue_names AS
  SELECT q.id AS queue, q.stream AS stream, n.name AS node,
    coalesce(v.device || '/' || v.name, '#' || q.queue) AS name, q.generation AS generation,
    k.name AS kind
  FROM queues q JOIN streams s ON s.id = q.stream JOIN nodes n ON n.id = s.node
  LEFT JOIN queue_versions v
    ON v.id = (SELECT max(w.id) FROM queue_versions w WHERE w.queue = q.id)
  LEFT JOIN enum_names k ON k.what = 'queue_kind' AND k.id = v.kind;

-- The rung of each hook as its stream said it last. State 4: attached and never hit although its
-- neighbours were; what it counted was not observed.
CREATE VIEW hook_rungs AS
  SELECT h.stream AS stream, h.hook AS hook, h.rung AS rung, r.name AS name, h.state AS state,
    max(h.hello) AS hello
  FROM hooks h JOIN enum_names r ON r.what = 'rung' AND r.id = h.rung
  GROUP BY h.stream, h.hook;

-- Hits that a hook lost in its whole recording: NULL where nobody can number them, or where some
-- found no slot.
CREATE VIEW hook_losses AS
  WITH ends AS (
    SELECT t.stream AS stream, h.hook AS hook, min(h.snapshot) AS first, max(h.snapshot) AS last
    FROM hook_samples h JOIN snapshots t ON t.id = h.snapshot GROUP BY t.stream, h.hook)
  SELECT e.stream AS stream, e.hook AS hook,
    CASE WHEN b.unplaced = 0 THEN b.misses - coalesce(a.misses, 0) END AS lost
  FROM ends e JOIN hook_samples a ON a.snapshot = e.first AND a.hook = e.hook
  JOIN hook_samples b ON b.snapshot = e.last AND b.hook = e.hook;

-- First and last value of each series. One that appears later than its stream's first snapshot had
-- counted nothing before (its slot in the kernel was new), but for positions and the kernel's own
-- count, which do not start at zero; unless that snapshot is not full, as where the file continues
-- a stream: then it had counted anything up to what it shows first. The last one holds up to the
-- next snapshot that is full or has lost changes before it, or to the end of the stream.
CREATE VIEW series_ends AS
  WITH ends AS (
    SELECT series, min(snapshot) AS first, max(snapshot) AS last FROM samples GROUP BY series)
  SELECT e.series AS series, r.queue AS queue, r.count AS count, r.hook AS hook, q.stream AS stream,
    e.first AS first, CASE WHEN z.late THEN 0 ELSE a.lo END AS first_lo,
    CASE WHEN z.late AND z.full THEN 0 ELSE a.lo + a.width END AS first_hi,
    b.lo AS last_lo, b.lo + b.width AS last_hi,
    (SELECT max(t.id) FROM snapshots t WHERE t.stream = q.stream AND t.id < coalesce(
      (SELECT u.id FROM snapshots u WHERE u.stream = q.stream AND u.id > e.last
       AND (u.full OR NOT u.continues) ORDER BY u.id LIMIT 1), 9223372036854775807)) AS last
  FROM ends e JOIN series r ON r.id = e.series JOIN queues q ON q.id = r.queue
  JOIN (SELECT y.series AS series, y.first > (SELECT min(t.id) FROM snapshots t
          WHERE t.stream = p.stream) AND c.name NOT IN
          ('vhost.used', 'guest.used', 'guest.proc_irq', 'softnet.processed', 'softnet.squeezed',
          'vcpu.run_us', 'vcpu.delay_us') AS late,
          (SELECT t.full FROM snapshots t WHERE t.stream = p.stream ORDER BY t.id LIMIT 1) AS full
        FROM ends y JOIN series w ON w.id = y.series JOIN queues p ON p.id = w.queue
        JOIN count_names c ON c.id = w.count) z ON z.series = e.series
  JOIN samples a ON a.snapshot = e.first AND a.series = e.series
  JOIN samples b ON b.snapshot = e.last AND b.series = e.series;

-- Each lost hit may have been one more of any count of its hook; of some counts it may have been
-- many.
CREATE VIEW counts AS
  SELECT node, queue, generation, stage, outcome, t_from, t_to, lo, hi, hook FROM (
    SELECT m.node AS node, m.name AS queue, m.generation AS generation, c.stage AS stage,
      c.outcome AS outcome, f.begin_real_ns AS t_from, t.end_real_ns AS t_to,
      max(0, e.last_lo - e.first_hi) AS lo,
      CASE WHEN x.lost = 0 OR c.name NOT IN ('vhost.used', 'guest.used', 'guest.packets',
        'guest.packets.busy', 'softnet.run_us') THEN e.last_hi - e.first_lo + x.lost END AS hi,
      r.name AS hook, e.queue AS queue_id, e.count AS count_id,
      row_number() OVER (PARTITION BY e.queue, e.count
        ORDER BY e.last_hi > e.first_lo DESC, coalesce(r.rung, 99), e.hook) AS choice
    FROM series_ends e JOIN queue_names m ON m.queue = e.queue
    JOIN count_names c ON c.id = e.count
    JOIN snapshots f ON f.id = e.first JOIN snapshots t ON t.id = e.last
    LEFT JOIN hook_rungs r ON r.stream = e.stream AND r.hook = e.hook
    LEFT JOIN hook_losses x ON x.stream = e.stream AND x.hook = e.hook
    WHERE r.state IS NOT 4)
  WHERE choice = 1 ORDER BY node, queue, generation, queue_id, count_id;

-- What each hook of a node is worth: hits and losses as read last.
CREATE VIEW hook_states AS
  SELECT n.name AS node, h.stage AS stage, h.program AS program, h.target AS target,
    k.name AS rung, CASE WHEN h.state = 0 AND (h.rung = 4 OR h.stage = 'gauges') THEN 'read'
      ELSE coalesce(t.name, h.state) END AS state, s.hits AS hits, s.misses AS misses,
    s.unplaced AS unplaced, h.reason AS reason
  FROM hooks h JOIN hook_rungs r ON r.stream = h.stream AND r.hook = h.hook AND r.hello = h.hello
  JOIN streams m ON m.id = h.stream JOIN nodes n ON n.id = m.node
  LEFT JOIN enum_names k ON k.what = 'rung' AND k.id = h.rung
  LEFT JOIN enum_names t ON t.what = 'hook_state' AND t.id = h.state
  LEFT JOIN hook_samples s ON s.hook = h.hook AND s.snapshot = (
    SELECT max(u.snapshot) FROM hook_samples u JOIN snapshots v ON v.id = u.snapshot
    WHERE u.hook = h.hook AND v.stream = h.stream)
  ORDER BY h.stream, h.hook;

CREATE VIEW count_rows AS
  SELECT m.node AS node, m.name AS queue, m.generation AS generation, t.begin_real_ns AS t,
    c.name AS count, s.lo AS lo, s.lo + s.width AS hi, r.name AS hook
  FROM samples s JOIN snapshots t ON t.id = s.snapshot JOIN series e ON e.id = s.series
  JOIN queue_names m ON m.queue = e.queue JOIN count_names c ON c.id = e.count
  LEFT JOIN hook_rungs r ON r.stream = m.stream AND r.hook = e.hook;

CREATE VIEW gauge_rows AS
  SELECT m.node AS node, m.name AS queue, m.generation AS generation, t.begin_real_ns AS t,
    g.name AS gauge, s.value AS value
  FROM gauges s JOIN snapshots t ON t.id = s.snapshot JOIN gauge_series e ON e.id = s.series
  JOIN queue_names m ON m.queue = e.queue JOIN gauge_names g ON g.id = e.gauge;

CREATE VIEW parts AS
  SELECT m.node AS node, m.name AS queue, m.generation AS generation, t.begin_real_ns AS t,
    c.name AS count, l.text AS label, p.value AS value
  FROM part_values p JOIN snapshots t ON t.id = p.snapshot JOIN queue_names m ON m.queue = p.queue
  JOIN count_names c ON c.id = p.count JOIN labels l ON l.id = p.label;

CREATE VIEW verdicts AS
  SELECT c.at_real_ns AS t, nullif(c.queue, '') AS queue, nullif(c.host_queue, '') AS host_queue,
    nullif(c.identity, '') AS identity, c.before AS before, c.verdict AS verdict, c.why AS why,
    c.from_real_ns AS t_from, c.to_real_ns AS t_to, e.recorder AS recorder, e.file AS file
  FROM verdict_changes c JOIN evaluators e ON e.id = c.evaluator
  ORDER BY c.at_real_ns, c.evaluator, c.number;

-- The last word on each finding.
CREATE VIEW findings AS
  SELECT c.cause AS id, c.queue AS queue, c.root AS root, c.caused_by AS caused_by,
    c.certainty AS certainty, c.since_real_ns AS since, c.detail AS detail,
    CASE WHEN c.step = 'ended' THEN c.at_real_ns END AS until, c.title AS title,
    nullif(c.host_queue, '') AS host_queue, e.recorder AS recorder, e.file AS file
  FROM finding_changes c JOIN evaluators e ON e.id = c.evaluator
  JOIN (SELECT evaluator, episode, max(number) AS number FROM finding_changes
        GROUP BY evaluator, episode) l ON l.evaluator = c.evaluator AND l.number = c.number
  ORDER BY c.since_real_ns, c.evaluator, c.number;
)sql";

constexpr std::string_view kEnumNames = R"sql(
INSERT INTO enum_names VALUES
  ('rung',0,'tp_btf'),('rung',1,'fentry'),('rung',2,'kprobe'),('rung',3,'tracepoint'),
  ('rung',4,'procfs'),('rung',5,'none'),
  ('hook_state',0,'unproven'),('hook_state',1,'refused'),('hook_state',2,'unneeded'),
  ('hook_state',3,'proven'),('hook_state',4,'silent'),('hook_state',5,'lossy'),
  ('hook_state',6,'paused'),
  ('queue_kind',0,'guest'),('queue_kind',1,'host'),('queue_kind',2,'route'),
  ('queue_kind',3,'cpu'),('queue_kind',4,'vcpu'),
  ('domain',0,'irq'),('domain',1,'napi'),('domain',2,'vhost'),('domain',3,'route'),
  ('event_kind',1,'guest.irq'),
  ('gap_maker',1,'agent'),('gap_maker',2,'recorder'),('gap_maker',3,'numbers'),
  ('record_kind',1,'hello'),('record_kind',2,'queue'),('record_kind',3,'snapshot'),
  ('record_kind',4,'marks'),('record_kind',5,'chunk'),('record_kind',6,'log'),
  ('record_kind',7,'fact'),('record_kind',8,'clock'),('record_kind',9,'gap'),
  ('record_kind',10,'bye');
)sql";

// The file's own numbers for counts and gauges: readers go by name.
std::string CountNamesSql() {
  std::string sql;
  for (int i = 0; i < kCounts; ++i) {
    const std::string_view name = CountName(static_cast<Count>(i));
    const std::string_view text = CountText(static_cast<Count>(i));
    const size_t dot = name.rfind('.');
    std::string quoted;
    for (const char c : text) quoted.append(c == '\'' ? 2 : 1, c);
    fmt::format_to(std::back_inserter(sql),
                   "INSERT INTO count_names VALUES({}, '{}', '{}', '{}', '{}');\n", i, name,
                   name.substr(0, dot), name.substr(dot + 1), quoted);
  }
  for (int i = 0; i < kGauges; ++i) {
    fmt::format_to(std::back_inserter(sql), "INSERT INTO gauge_names VALUES({}, '{}');\n", i,
                   GaugeName(static_cast<Gauge>(i)));
  }
  return sql;
}

// The same tables or views, but temporary.
std::string Temporary(std::string_view creates) {
  constexpr std::string_view kCreate = "CREATE ";
  std::string sql(creates);
  for (size_t at = 0; (at = sql.find(kCreate, at)) != std::string::npos;) {
    at += kCreate.size();
    sql.insert(at, "TEMP ");
  }
  return sql;
}

}  // namespace

std::string SchemaSql() {
  return fmt::format("{}{}{}{}", TablesSql(kSchemaVersion), kViews, kEnumNames, CountNamesSql());
}

std::string TablesSql(int32_t version) {
  std::string sql(kTables);
  sql += version >= 3 ? kChunkQueues3 : kChunkQueues1;
  sql += version >= 2 ? kTables2 : kTables1Only;
  return sql;
}

std::string TemporaryTablesSql(int32_t version) {
  std::string sql = version < 2 ? Temporary(kTables2) : std::string();
  sql += version < 3 ? kChunkRanges1 : kChunkRanges3;
  return sql;
}

std::string TemporaryViewsSql() { return Temporary(kViews); }

}  // namespace ringside
