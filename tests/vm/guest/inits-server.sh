# A container's command: server NAME SECONDS CODE writes its begin into the book, and its end when it is told to, after so many seconds.
name=${1:-web}
echo "$name begins" >>/book/"$name"
trap 'sleep ${2:-0}; echo "$name $(cut -d" " -f1 /proc/uptime)" >>/book/ends; exit ${3:-7}' TERM
while :; do
    sleep 1000 &
    wait $!
done
