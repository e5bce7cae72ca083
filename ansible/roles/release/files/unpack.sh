#!/bin/sh
# unpack.sh RELEASES ID ENVIRONMENT COMPILE: what is unpacked gets its name once it is whole, compiled and on the disk.
set -euf
cd "$1"
compile=$4

whole() { # whole ARCHIVE FOLDER
    rm -rf "$2.new"
    mkdir "$2.new"
    tar --extract --gzip --file="$1" --directory="$2.new"
    # Services cannot write there. The controller has done it where it has the hosts' Python.
    [ -n "$(find "$2.new" -name '*.pyc' -print -quit)" ] || python3 $compile "$2.new"
}

if [ ! -d ".environments/$3" ]; then
    whole ".environments/.$3.tar.gz" ".environments/.$3"
    sync --file-system ".environments/.$3.new"
    mv ".environments/.$3.new" ".environments/$3"
    rm ".environments/.$3.tar.gz"
fi
if [ ! -d "$2" ]; then
    whole ".$2.tar.gz" ".$2"
    ln -s "../.environments/$3" ".$2.new/.venv"
    sync --file-system ".$2.new"
    mv ".$2.new" "$2"
    rm ".$2.tar.gz"
fi
