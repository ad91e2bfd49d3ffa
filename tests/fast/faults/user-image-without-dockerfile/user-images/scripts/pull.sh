git pull
