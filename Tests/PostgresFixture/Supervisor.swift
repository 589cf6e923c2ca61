/// The shell program that keeps a cluster: it obeys lines on its standard input and ends the cluster when that closes, that is,
/// however the test process ends.
enum Supervisor {
  static let script = #"""
    trap '' INT TERM HUP PIPE
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr | head -n 1)
    [ -n "$bin" ] || bin=$(dirname "$(command -v postgres || echo /nowhere/postgres)")
    if [ "$(id -u)" = 0 ]; then as() { runuser -u postgres -- "$@"; }; else as() { "$@"; }; fi
    cd / && dir=$(as mktemp -d /tmp/segmentd-test-XXXXXX) || { echo "error no temporary directory"; exit 1; }
    log=$dir/server.log setup=$dir/setup.log
    launch() {
      as "$bin/pg_ctl" -w -D "$dir/data" -l "$log" start >/dev/null 2>&1 </dev/null
    }
    answer() {
      if [ "$1" = 0 ]; then echo "ok $dir"; else echo "error $(tail -q -n 3 "$setup" "$log" 2>/dev/null | tr '\n' ' ')"; fi
    }
    as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$setup" 2>&1 </dev/null
    cat >>"$dir/data/postgresql.conf" <<-END
    listen_addresses = ''
    unix_socket_directories = '$dir'
    fsync = off
    full_page_writes = off
    # Its transactions would hold back readers of the log, whatever their database.
    autovacuum = off
    max_connections = 200
    max_wal_size = 256MB
    END
    launch
    answer $?
    while read -r command argument template; do
      case $command in
      create) as "$bin/createdb" -h "$dir" -U postgres -T "$template" "$argument" >>"$setup" 2>&1 </dev/null ;;
      stop) as "$bin/pg_ctl" -w -D "$dir/data" -m "$argument" stop >/dev/null 2>&1 </dev/null ;;
      start) launch ;;
      crash)
        kill -9 "$(head -n 1 "$dir/data/postmaster.pid")"
        tries=0
        until launch; do
          tries=$((tries + 1))
          [ $tries -lt 50 ] || break
          sleep 0.1
        done
        [ $tries -lt 50 ] ;;
      *) false ;;
      esac
      answer $?
    done
    as "$bin/pg_ctl" -w -D "$dir/data" -m immediate stop >/dev/null 2>&1 </dev/null
    rm -rf "$dir"
    """#
}
