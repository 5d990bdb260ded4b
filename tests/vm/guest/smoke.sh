# What works in every machine, whatever its kernel, root and cgroups.
. ./lib.sh

ok "import" mydocker import busybox.tar busybox
mydocker run --rm busybox true # the first one says that it switches forwarding on
is "run" "hello" mydocker run --rm busybox echo hello
code "exit code" 7 mydocker run --rm busybox sh -c 'exit 7'
ok "run -d" mydocker run -d --name web -p 8080:80 busybox sh -c 'mkdir /www && echo page > /www/index.html && exec httpd -f -h /www'
ok "port" until_ok 20 wget -q -O /dev/null http://127.0.0.1:8080/
is "exec" "page" mydocker exec web cat /www/index.html
ok "second" mydocker run -d --name client busybox sleep 1000
is "names" "page" mydocker exec client wget -q -O - http://web/
ok "limits" mydocker run --rm -m 32m --pids-limit 20 --cpus 0.5 busybox true
ok "commit" mydocker commit web site
is "image" "page" mydocker run --rm site cat /www/index.html
ok "stop" mydocker stop -t 1 web client
has "logs" "one" sh -c 'mydocker run --name log busybox echo one >/dev/null && mydocker logs log'
ok "rm" mydocker rm web client log
ok "check" mydocker check
ok "two that start at boot" sh -c 'mydocker run -d --name db --restart always busybox sleep 1000 && mydocker run -d --name app --restart always --after db busybox sleep 1000'
is "shutdown" "app db" sh -c 'echo $(mydocker shutdown -t 2)'
has "boot" "app       running" mydocker boot
is "all run" "app db" sh -c 'echo $(mydocker ps --format "{{.Names}}")'
ok "rm -f" mydocker rm -f app db
ok "system check" mydocker system check
is "nothing mounted" "" grep mydocker /proc/mounts
is "nothing runs" "" mydocker ps -aq
is "no cgroup" "" find /sys/fs/cgroup -name 'mydocker-*'
# Links go after the answer.
ok "no link" until_ok 20 sh -c '! ip -o link | grep -E "mydocker|md-"'
finish
